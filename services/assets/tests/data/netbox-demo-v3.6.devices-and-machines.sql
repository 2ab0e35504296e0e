--
-- PostgreSQL database dump
--

-- Dumped from database version 14.8 (Ubuntu 14.8-0ubuntu0.22.04.1)
-- Dumped by pg_dump version 14.8 (Ubuntu 14.8-0ubuntu0.22.04.1)

SET statement_timeout = 0;
SET lock_timeout = 0;
SET idle_in_transaction_session_timeout = 0;
SET client_encoding = 'UTF8';
SET standard_conforming_strings = on;
SELECT pg_catalog.set_config('search_path', '', false);
SET check_function_bodies = false;
SET xmloption = content;
SET client_min_messages = warning;
SET row_security = off;


--
-- Data for Name: dcim_device; Type: TABLE DATA; Schema: public; Owner: netbox
--

COPY public.dcim_device (created, last_updated, custom_field_data, id, local_context_data, name, _name, serial, asset_tag, "position", face, status, vc_position, vc_priority, comments, cluster_id, role_id, device_type_id, location_id, platform_id, primary_ip4_id, primary_ip6_id, rack_id, site_id, tenant_id, virtual_chassis_id, airflow, description, config_template_id, latitude, longitude, oob_ip_id, console_port_count, console_server_port_count, power_port_count, power_outlet_count, interface_count, front_port_count, rear_port_count, device_bay_count, module_bay_count, inventory_item_count) FROM stdin;
2020-12-19 19:00:00-05	2020-12-19 21:51:03.257-05	{}	1	\N	dmi01-akron-rtr01	dmi00000001-akron-rtr00000001		\N	4.0	front	active	\N	\N		\N	1	6	\N	1	\N	\N	1	2	5	\N			\N	\N	\N	\N	0	0	0	0	0	0	0	0	0	0
2020-12-19 19:00:00-05	2020-12-19 21:51:32.863-05	{}	2	\N	dmi01-albany-rtr01	dmi00000001-albany-rtr00000001		\N	4.0	front	active	\N	\N		\N	1	6	\N	1	\N	\N	2	3	5	\N			\N	\N	\N	\N	0	0	0	0	0	0	0	0	0	0
2020-12-19 19:00:00-05	2020-12-19 21:52:02.614-05	{}	3	\N	dmi01-binghamton-rtr01	dmi00000001-binghamton-rtr00000001		\N	4.0	front	active	\N	\N		\N	1	6	\N	1	\N	\N	3	4	5	\N			\N	\N	\N	\N	0	0	0	0	0	0	0	0	0	0
2020-12-19 19:00:00-05	2020-12-19 21:52:26.146-05	{}	4	\N	dmi01-buffalo-rtr01	dmi00000001-buffalo-rtr00000001		\N	4.0	front	active	\N	\N		\N	1	6	\N	1	\N	\N	4	5	5	\N			\N	\N	\N	\N	0	0	0	0	0	0	0	0	0	0
2020-12-19 19:00:00-05	2020-12-19 21:53:47.838-05	{}	5	\N	dmi01-camden-rtr01	dmi00000001-camden-rtr00000001		\N	4.0	front	active	\N	\N		\N	1	6	\N	1	\N	\N	5	6	5	\N			\N	\N	\N	\N	0	0	0	0	0	0	0	0	0	0
2020-12-19 19:00:00-05	2020-12-19 21:54:08.2-05	{}	6	\N	dmi01-nashua-rtr01	dmi00000001-nashua-rtr00000001		\N	4.0	front	active	\N	\N		\N	1	6	\N	1	\N	\N	6	7	5	\N			\N	\N	\N	\N	0	0	0	0	0	0	0	0	0	0
2020-12-19 19:00:00-05	2020-12-19 21:55:17.095-05	{}	7	\N	dmi01-pittsfield-rtr01	dmi00000001-pittsfield-rtr00000001		\N	4.0	front	active	\N	\N		\N	1	6	\N	1	\N	\N	7	8	5	\N			\N	\N	\N	\N	0	0	0	0	0	0	0	0	0	0
2020-12-19 19:00:00-05	2020-12-19 21:55:35.846-05	{}	8	\N	dmi01-rochester-rtr01	dmi00000001-rochester-rtr00000001		\N	4.0	front	active	\N	\N		\N	1	6	\N	1	\N	\N	8	9	5	\N			\N	\N	\N	\N	0	0	0	0	0	0	0	0	0	0
2020-12-19 19:00:00-05	2020-12-19 21:55:49.316-05	{}	9	\N	dmi01-scranton-rtr01	dmi00000001-scranton-rtr00000001		\N	4.0	front	active	\N	\N		\N	1	6	\N	1	\N	\N	9	10	5	\N			\N	\N	\N	\N	0	0	0	0	0	0	0	0	0	0
2020-12-19 19:00:00-05	2020-12-19 21:56:06.592-05	{}	10	\N	dmi01-stamford-rtr01	dmi00000001-stamford-rtr00000001		\N	4.0	front	active	\N	\N		\N	1	6	\N	1	\N	\N	10	11	5	\N			\N	\N	\N	\N	0	0	0	0	0	0	0	0	0	0
2020-12-19 19:00:00-05	2020-12-19 21:56:24.173-05	{}	11	\N	dmi01-syracuse-rtr01	dmi00000001-syracuse-rtr00000001		\N	4.0	front	active	\N	\N		\N	1	6	\N	1	\N	\N	11	12	5	\N			\N	\N	\N	\N	0	0	0	0	0	0	0	0	0	0
2020-12-19 19:00:00-05	2020-12-19 21:56:38.212-05	{}	12	\N	dmi01-utica-rtr01	dmi00000001-utica-rtr00000001		\N	4.0	front	active	\N	\N		\N	1	6	\N	1	\N	\N	12	13	5	\N			\N	\N	\N	\N	0	0	0	0	0	0	0	0	0	0
2020-12-19 19:00:00-05	2020-12-19 21:56:52.908-05	{}	13	\N	dmi01-yonkers-rtr01	dmi00000001-yonkers-rtr00000001		\N	4.0	front	active	\N	\N		\N	1	6	\N	1	\N	\N	13	14	5	\N			\N	\N	\N	\N	0	0	0	0	0	0	0	0	0	0
2020-12-21 19:00:00-05	2020-12-21 21:11:11.625-05	{}	14	\N	dmi01-akron-sw01	dmi00000001-akron-sw00000001		\N	10.0	front	active	\N	\N		\N	4	7	\N	\N	\N	\N	1	2	5	\N			\N	\N	\N	\N	0	0	0	0	0	0	0	0	0	0
2020-12-21 19:00:00-05	2020-12-21 21:11:11.714-05	{}	15	\N	dmi01-albany-sw01	dmi00000001-albany-sw00000001		\N	10.0	front	active	\N	\N		\N	4	7	\N	\N	\N	\N	2	3	5	\N			\N	\N	\N	\N	0	0	0	0	0	0	0	0	0	0
2020-12-21 19:00:00-05	2020-12-21 21:11:11.799-05	{}	16	\N	dmi01-binghamton-sw01	dmi00000001-binghamton-sw00000001		\N	10.0	front	active	\N	\N		\N	4	7	\N	\N	\N	\N	3	4	5	\N			\N	\N	\N	\N	0	0	0	0	0	0	0	0	0	0
2020-12-21 19:00:00-05	2020-12-21 21:11:11.883-05	{}	17	\N	dmi01-buffalo-sw01	dmi00000001-buffalo-sw00000001		\N	10.0	front	active	\N	\N		\N	4	7	\N	\N	\N	\N	4	5	5	\N			\N	\N	\N	\N	0	0	0	0	0	0	0	0	0	0
2020-12-21 19:00:00-05	2020-12-21 21:11:11.968-05	{}	18	\N	dmi01-camden-sw01	dmi00000001-camden-sw00000001		\N	10.0	front	active	\N	\N		\N	4	7	\N	\N	\N	\N	5	6	5	\N			\N	\N	\N	\N	0	0	0	0	0	0	0	0	0	0
2020-12-21 19:00:00-05	2020-12-21 21:11:12.071-05	{}	19	\N	dmi01-nashua-sw01	dmi00000001-nashua-sw00000001		\N	10.0	front	active	\N	\N		\N	4	7	\N	\N	\N	\N	6	7	5	\N			\N	\N	\N	\N	0	0	0	0	0	0	0	0	0	0
2020-12-21 19:00:00-05	2020-12-21 21:11:12.204-05	{}	20	\N	dmi01-pittsfield-sw01	dmi00000001-pittsfield-sw00000001		\N	10.0	front	active	\N	\N		\N	4	7	\N	\N	\N	\N	7	8	5	\N			\N	\N	\N	\N	0	0	0	0	0	0	0	0	0	0
2020-12-21 19:00:00-05	2020-12-21 21:11:12.287-05	{}	21	\N	dmi01-rochster-sw01	dmi00000001-rochster-sw00000001		\N	10.0	front	active	\N	\N		\N	4	7	\N	\N	\N	\N	8	9	5	\N			\N	\N	\N	\N	0	0	0	0	0	0	0	0	0	0
2020-12-21 19:00:00-05	2020-12-21 21:11:12.37-05	{}	22	\N	dmi01-scranton-sw01	dmi00000001-scranton-sw00000001		\N	10.0	front	active	\N	\N		\N	4	7	\N	\N	\N	\N	9	10	5	\N			\N	\N	\N	\N	0	0	0	0	0	0	0	0	0	0
2020-12-21 19:00:00-05	2020-12-21 21:11:12.454-05	{}	23	\N	dmi01-stamford-sw01	dmi00000001-stamford-sw00000001		\N	10.0	front	active	\N	\N		\N	4	7	\N	\N	\N	\N	10	11	5	\N			\N	\N	\N	\N	0	0	0	0	0	0	0	0	0	0
2020-12-21 19:00:00-05	2020-12-21 21:11:12.54-05	{}	24	\N	dmi01-syracuse-sw01	dmi00000001-syracuse-sw00000001		\N	10.0	front	active	\N	\N		\N	4	7	\N	\N	\N	\N	11	12	5	\N			\N	\N	\N	\N	0	0	0	0	0	0	0	0	0	0
2020-12-21 19:00:00-05	2020-12-21 21:11:12.622-05	{}	25	\N	dmi01-utica-sw01	dmi00000001-utica-sw00000001		\N	10.0	front	active	\N	\N		\N	4	7	\N	\N	\N	\N	12	13	5	\N			\N	\N	\N	\N	0	0	0	0	0	0	0	0	0	0
2020-12-21 19:00:00-05	2020-12-21 21:11:12.705-05	{}	26	\N	dmi01-yonkers-sw01	dmi00000001-yonkers-sw00000001		\N	10.0	front	active	\N	\N		\N	4	7	\N	\N	\N	\N	13	14	5	\N			\N	\N	\N	\N	0	0	0	0	0	0	0	0	0	0
2020-12-21 19:00:00-05	2020-12-30 14:02:55.76-05	{}	27	\N	dmi01-akron-pdu01	dmi00000001-akron-pdu00000001		\N	1.0	front	active	\N	\N		\N	5	8	\N	\N	\N	\N	1	2	5	\N			\N	\N	\N	\N	0	0	0	0	0	0	0	0	0	0
2020-12-21 19:00:00-05	2020-12-30 14:02:55.909-05	{}	34	\N	dmi01-albany-pdu01	dmi00000001-albany-pdu00000001		\N	1.0	front	active	\N	\N		\N	5	8	\N	\N	\N	\N	2	3	5	\N			\N	\N	\N	\N	0	0	0	0	0	0	0	0	0	0
2020-12-21 19:00:00-05	2020-12-30 14:02:56.038-05	{}	35	\N	dmi01-binghamton-pdu01	dmi00000001-binghamton-pdu00000001		\N	1.0	front	active	\N	\N		\N	5	8	\N	\N	\N	\N	3	4	5	\N			\N	\N	\N	\N	0	0	0	0	0	0	0	0	0	0
2020-12-21 19:00:00-05	2020-12-30 14:02:56.155-05	{}	36	\N	dmi01-buffalo-pdu01	dmi00000001-buffalo-pdu00000001		\N	1.0	front	active	\N	\N		\N	5	8	\N	\N	\N	\N	4	5	5	\N			\N	\N	\N	\N	0	0	0	0	0	0	0	0	0	0
2020-12-21 19:00:00-05	2020-12-30 14:02:56.256-05	{}	37	\N	dmi01-camden-pdu01	dmi00000001-camden-pdu00000001		\N	1.0	front	active	\N	\N		\N	5	8	\N	\N	\N	\N	5	6	5	\N			\N	\N	\N	\N	0	0	0	0	0	0	0	0	0	0
2020-12-21 19:00:00-05	2020-12-30 14:02:56.357-05	{}	38	\N	dmi01-nashua-pdu01	dmi00000001-nashua-pdu00000001		\N	1.0	front	active	\N	\N		\N	5	8	\N	\N	\N	\N	6	7	5	\N			\N	\N	\N	\N	0	0	0	0	0	0	0	0	0	0
2020-12-21 19:00:00-05	2020-12-30 14:02:56.46-05	{}	39	\N	dmi01-pittsfield-pdu01	dmi00000001-pittsfield-pdu00000001		\N	1.0	front	active	\N	\N		\N	5	8	\N	\N	\N	\N	7	8	5	\N			\N	\N	\N	\N	0	0	0	0	0	0	0	0	0	0
2020-12-21 19:00:00-05	2020-12-30 14:02:56.562-05	{}	40	\N	dmi01-rochester-pdu01	dmi00000001-rochester-pdu00000001		\N	1.0	front	active	\N	\N		\N	5	8	\N	\N	\N	\N	8	9	5	\N			\N	\N	\N	\N	0	0	0	0	0	0	0	0	0	0
2020-12-21 19:00:00-05	2020-12-30 14:02:56.664-05	{}	41	\N	dmi01-scranton-pdu01	dmi00000001-scranton-pdu00000001		\N	1.0	front	active	\N	\N		\N	5	8	\N	\N	\N	\N	9	10	5	\N			\N	\N	\N	\N	0	0	0	0	0	0	0	0	0	0
2020-12-21 19:00:00-05	2020-12-30 14:02:56.767-05	{}	42	\N	dmi01-stamford-pdu01	dmi00000001-stamford-pdu00000001		\N	1.0	front	active	\N	\N		\N	5	8	\N	\N	\N	\N	10	11	5	\N			\N	\N	\N	\N	0	0	0	0	0	0	0	0	0	0
2020-12-21 19:00:00-05	2020-12-30 14:02:56.87-05	{}	43	\N	dmi01-syracuse-pdu01	dmi00000001-syracuse-pdu00000001		\N	1.0	front	active	\N	\N		\N	5	8	\N	\N	\N	\N	11	12	5	\N			\N	\N	\N	\N	0	0	0	0	0	0	0	0	0	0
2020-12-21 19:00:00-05	2020-12-30 14:02:56.973-05	{}	44	\N	dmi01-utica-pdu01	dmi00000001-utica-pdu00000001		\N	1.0	front	active	\N	\N		\N	5	8	\N	\N	\N	\N	12	13	5	\N			\N	\N	\N	\N	0	0	0	0	0	0	0	0	0	0
2020-12-21 19:00:00-05	2020-12-30 14:02:57.075-05	{}	45	\N	dmi01-yonkers-pdu01	dmi00000001-yonkers-pdu00000001		\N	1.0	front	active	\N	\N		\N	5	8	\N	\N	\N	\N	13	14	5	\N			\N	\N	\N	\N	0	0	0	0	0	0	0	0	0	0
2020-12-29 19:00:00-05	2020-12-30 15:44:53.681-05	{}	74	\N	\N	\N		\N	11.0	front	active	\N	\N		\N	6	10	\N	\N	\N	\N	1	2	\N	\N			\N	\N	\N	\N	0	0	0	0	0	0	0	0	0	0
2020-12-29 19:00:00-05	2020-12-30 15:44:53.808-05	{}	75	\N	\N	\N		\N	11.0	front	active	\N	\N		\N	6	10	\N	\N	\N	\N	2	3	\N	\N			\N	\N	\N	\N	0	0	0	0	0	0	0	0	0	0
2020-12-29 19:00:00-05	2020-12-30 15:44:53.932-05	{}	76	\N	\N	\N		\N	11.0	front	active	\N	\N		\N	6	10	\N	\N	\N	\N	3	4	\N	\N			\N	\N	\N	\N	0	0	0	0	0	0	0	0	0	0
2020-12-29 19:00:00-05	2020-12-30 15:44:54.054-05	{}	77	\N	\N	\N		\N	11.0	front	active	\N	\N		\N	6	10	\N	\N	\N	\N	4	5	\N	\N			\N	\N	\N	\N	0	0	0	0	0	0	0	0	0	0
2020-12-29 19:00:00-05	2020-12-30 15:44:54.176-05	{}	78	\N	\N	\N		\N	11.0	front	active	\N	\N		\N	6	10	\N	\N	\N	\N	5	6	\N	\N			\N	\N	\N	\N	0	0	0	0	0	0	0	0	0	0
2020-12-29 19:00:00-05	2020-12-30 15:44:54.297-05	{}	79	\N	\N	\N		\N	11.0	front	active	\N	\N		\N	6	10	\N	\N	\N	\N	6	7	\N	\N			\N	\N	\N	\N	0	0	0	0	0	0	0	0	0	0
2020-12-29 19:00:00-05	2020-12-30 15:44:54.419-05	{}	80	\N	\N	\N		\N	11.0	front	active	\N	\N		\N	6	10	\N	\N	\N	\N	7	8	\N	\N			\N	\N	\N	\N	0	0	0	0	0	0	0	0	0	0
2020-12-29 19:00:00-05	2020-12-30 15:44:54.541-05	{}	81	\N	\N	\N		\N	11.0	front	active	\N	\N		\N	6	10	\N	\N	\N	\N	8	9	\N	\N			\N	\N	\N	\N	0	0	0	0	0	0	0	0	0	0
2020-12-29 19:00:00-05	2020-12-30 15:44:54.661-05	{}	82	\N	\N	\N		\N	11.0	front	active	\N	\N		\N	6	10	\N	\N	\N	\N	9	10	\N	\N			\N	\N	\N	\N	0	0	0	0	0	0	0	0	0	0
2020-12-29 19:00:00-05	2020-12-30 15:44:54.785-05	{}	83	\N	\N	\N		\N	11.0	front	active	\N	\N		\N	6	10	\N	\N	\N	\N	10	11	\N	\N			\N	\N	\N	\N	0	0	0	0	0	0	0	0	0	0
2020-12-29 19:00:00-05	2020-12-30 15:44:54.912-05	{}	84	\N	\N	\N		\N	11.0	front	active	\N	\N		\N	6	10	\N	\N	\N	\N	11	12	\N	\N			\N	\N	\N	\N	0	0	0	0	0	0	0	0	0	0
2020-12-29 19:00:00-05	2020-12-30 15:44:55.035-05	{}	85	\N	\N	\N		\N	11.0	front	active	\N	\N		\N	6	10	\N	\N	\N	\N	12	13	\N	\N			\N	\N	\N	\N	0	0	0	0	0	0	0	0	0	0
2020-12-29 19:00:00-05	2020-12-30 15:44:55.158-05	{}	86	\N	\N	\N		\N	11.0	front	active	\N	\N		\N	6	10	\N	\N	\N	\N	13	14	\N	\N			\N	\N	\N	\N	0	0	0	0	0	0	0	0	0	0
2021-04-01 20:00:00-04	2021-04-02 13:16:58.069-04	{}	87	\N	PP:B128	PP:B00000128		\N	39.0	front	active	\N	\N		\N	6	11	\N	\N	\N	\N	41	21	13	\N			\N	\N	\N	\N	0	0	0	0	0	0	0	0	0	0
2021-04-01 20:00:00-04	2021-04-02 13:17:28.425-04	{}	88	\N	PP:B117	PP:B00000117		\N	37.0	front	active	\N	\N		\N	6	11	\N	\N	\N	\N	41	21	13	\N			\N	\N	\N	\N	0	0	0	0	0	0	0	0	0	0
2021-04-01 20:00:00-04	2021-04-02 13:17:57.268-04	{}	89	\N	PP:B118	PP:B00000118		\N	35.0	front	active	\N	\N		\N	6	11	\N	\N	\N	\N	41	21	13	\N			\N	\N	\N	\N	0	0	0	0	0	0	0	0	0	0
2021-04-01 20:00:00-04	2021-04-02 13:19:12.87-04	{}	90	\N	PP:MDF	PP:MDF		\N	39.0	front	active	\N	\N		\N	6	11	\N	\N	\N	\N	39	24	13	\N			\N	\N	\N	\N	0	0	0	0	0	0	0	0	0	0
2021-04-01 20:00:00-04	2021-04-02 13:19:41.498-04	{}	91	\N	PP:MDF	PP:MDF		\N	39.0	front	active	\N	\N		\N	6	11	\N	\N	\N	\N	40	22	13	\N			\N	\N	\N	\N	0	0	0	0	0	0	0	0	0	0
2021-04-01 20:00:00-04	2021-04-02 13:20:15.226-04	{}	92	\N	PP:MDF	PP:MDF		\N	39.0	front	active	\N	\N		\N	6	11	\N	\N	\N	\N	38	23	13	\N			\N	\N	\N	\N	0	0	0	0	0	0	0	0	0	0
2021-04-01 20:00:00-04	2021-04-02 13:28:42.498-04	{}	93	\N	ncsu128-distswitch1	ncsu00000128-distswitch00000001		\N	32.0	front	active	\N	\N		\N	3	12	\N	\N	\N	\N	39	24	13	\N			\N	\N	\N	\N	0	0	0	0	0	0	0	0	0	0
2021-04-01 20:00:00-04	2021-04-02 13:29:22.719-04	{}	94	\N	ncsu117-distswitch1	ncsu00000117-distswitch00000001		\N	36.0	front	active	\N	\N		\N	3	12	\N	\N	\N	\N	40	22	13	\N			\N	\N	\N	\N	0	0	0	0	0	0	0	0	0	0
2021-04-01 20:00:00-04	2021-04-02 13:29:56.066-04	{}	95	\N	ncsu118-distswitch1	ncsu00000118-distswitch00000001		\N	36.0	front	active	\N	\N		\N	3	12	\N	\N	\N	\N	38	23	13	\N			\N	\N	\N	\N	0	0	0	0	0	0	0	0	0	0
2021-04-01 20:00:00-04	2021-04-02 13:31:41.398-04	{}	96	\N	ncsu-coreswitch1	ncsu-coreswitch00000001		\N	6.0	front	active	\N	\N		\N	2	3	1	\N	\N	\N	16	21	13	\N			\N	\N	\N	\N	0	0	0	0	0	0	0	0	0	0
2021-04-01 20:00:00-04	2021-04-02 13:31:56.519-04	{}	97	\N	ncsu-coreswitch2	ncsu-coreswitch00000002		\N	6.0	front	active	\N	\N		\N	2	3	1	\N	\N	\N	17	21	13	\N			\N	\N	\N	\N	0	0	0	0	0	0	0	0	0	0
2021-12-29 19:00:00-05	2021-12-30 11:16:55.811-05	{}	99	\N	\N	\N		\N	25.0	rear	active	2	\N		\N	9	5	1	\N	\N	\N	18	21	13	1			\N	\N	\N	\N	0	0	0	0	0	0	0	0	0	0
2021-12-29 19:00:00-05	2021-12-30 11:17:27.958-05	{}	101	\N	\N	\N		\N	25.0	rear	active	2	\N		\N	9	5	1	\N	\N	\N	19	21	13	2			\N	\N	\N	\N	0	0	0	0	0	0	0	0	0	0
2021-12-29 19:00:00-05	2021-12-30 11:17:56.487-05	{}	103	\N	\N	\N		\N	25.0	rear	active	2	\N		\N	9	5	1	\N	\N	\N	20	21	13	3			\N	\N	\N	\N	0	0	0	0	0	0	0	0	0	0
2021-12-29 19:00:00-05	2021-12-30 11:18:24.555-05	{}	105	\N	\N	\N		\N	25.0	rear	active	2	\N		\N	9	5	1	\N	\N	\N	21	21	13	4			\N	\N	\N	\N	0	0	0	0	0	0	0	0	0	0
2022-01-09 19:00:00-05	2022-01-10 16:00:04.03-05	{}	106	\N	\N	\N		\N	9.0	front	active	\N	\N		\N	7	14	2	\N	\N	\N	22	21	\N	\N			\N	\N	\N	\N	0	0	0	0	0	0	0	0	0	0
2021-12-29 19:00:00-05	2023-12-29 10:45:09.994269-05	{}	98	\N	\N	\N		\N	26.0	rear	active	1	\N		\N	9	5	1	\N	\N	\N	18	21	13	1			\N	\N	\N	\N	0	0	0	0	0	0	0	0	0	0
2021-12-29 19:00:00-05	2023-12-29 10:45:09.997915-05	{}	100	\N	\N	\N		\N	26.0	rear	active	1	\N		\N	9	5	1	\N	\N	\N	19	21	13	2			\N	\N	\N	\N	0	0	0	0	0	0	0	0	0	0
2021-12-29 19:00:00-05	2023-12-29 10:45:10.001313-05	{}	102	\N	\N	\N		\N	26.0	rear	active	1	\N		\N	9	5	1	\N	\N	\N	20	21	13	3			\N	\N	\N	\N	0	0	0	0	0	0	0	0	0	0
2021-12-29 19:00:00-05	2023-12-29 10:45:10.004695-05	{}	104	\N	\N	\N		\N	26.0	rear	active	1	\N		\N	9	5	1	\N	\N	\N	21	21	13	4			\N	\N	\N	\N	0	0	0	0	0	0	0	0	0	0
\.


--
-- Data for Name: dcim_devicerole; Type: TABLE DATA; Schema: public; Owner: netbox
--

COPY public.dcim_devicerole (created, last_updated, custom_field_data, id, name, slug, color, vm_role, description, config_template_id) FROM stdin;
2020-12-19 19:00:00-05	2020-12-19 21:35:49.028-05	{}	1	Router	router	4caf50	f		\N
2020-12-19 19:00:00-05	2020-12-19 21:36:13.233-05	{}	2	Core Switch	core-switch	3f51b5	f		\N
2020-12-19 19:00:00-05	2020-12-19 21:36:32.188-05	{}	3	Distribution Switch	distribution-switch	2196f3	f		\N
2020-12-19 19:00:00-05	2020-12-19 21:36:50.803-05	{}	4	Access Switch	access-switch	03a9f4	f		\N
2020-12-21 19:00:00-05	2020-12-21 21:41:52.606-05	{}	5	PDU	pdu	607d8b	f		\N
2020-12-29 19:00:00-05	2020-12-30 15:38:34.255-05	{}	6	Patch Panel	patch-panel	607d8b	f		\N
2021-04-04 20:00:00-04	2021-04-05 16:52:54.339-04	{}	7	Application Server	application-server	2f6a31	t		\N
2021-04-04 20:00:00-04	2021-04-05 16:53:04.759-04	{}	8	Database Server	database-server	cddc39	t		\N
2021-12-29 19:00:00-05	2021-12-30 11:09:15.718-05	{}	9	ToR Switch	tor-switch	ff5722	f		\N
\.


--
-- Data for Name: dcim_devicetype; Type: TABLE DATA; Schema: public; Owner: netbox
--

COPY public.dcim_devicetype (created, last_updated, custom_field_data, id, model, slug, part_number, u_height, is_full_depth, subdevice_role, front_image, rear_image, comments, manufacturer_id, airflow, weight, weight_unit, _abs_weight, description, default_platform_id, console_port_template_count, console_server_port_template_count, power_port_template_count, power_outlet_template_count, interface_template_count, front_port_template_count, rear_port_template_count, device_bay_template_count, module_bay_template_count, inventory_item_template_count) FROM stdin;
2020-12-17 19:00:00-05	2022-01-10 15:55:43.096-05	{}	3	EX9214	ex9214		16.0	t				[Juniper EX9214 Data Sheet](https://www.juniper.net/us/en/local/pdf/datasheets/1000432-en.pdf)	7		\N		\N		\N	0	0	0	0	0	0	0	0	0	0
2020-12-17 19:00:00-05	2020-12-17 22:27:36.824-05	{}	5	QFX5100-48T-6Q	qfx5100-48t-6q		1.0	t				[Juniper QFX5100 Data Sheet](https://www.juniper.net/us/en/products-services/switching/qfx-series/qfx5100/)	7		\N		\N		\N	0	0	0	0	0	0	0	0	0	0
2020-12-19 19:00:00-05	2020-12-19 21:08:50.431-05	{}	6	ISR 1111-8P	isr1111	C1111-8P	1.0	f					3		\N		\N		\N	0	0	0	0	0	0	0	0	0	0
2020-12-21 19:00:00-05	2020-12-21 20:54:33.417-05	{}	7	C9200-48P	c9200-48p	C9200-48P	1.0	t				[Cisco Catalyst 9200 Series Switches Data Sheet](https://www.cisco.com/c/en/us/products/collateral/switches/catalyst-9200-series-switches/nb-06-cat9200-ser-data-sheet-cte-en.html)	3		\N		\N		\N	0	0	0	0	0	0	0	0	0	0
2020-12-21 19:00:00-05	2020-12-21 21:26:08.093-05	{}	8	AP7901	ap7901	AP7901B	1.0	f					11		\N		\N		\N	0	0	0	0	0	0	0	0	0	0
2020-12-29 19:00:00-05	2020-12-30 15:40:56.394-05	{}	10	48-Port Patch Panel	48-port-patch-panel		2.0	f					12		\N		\N		\N	0	0	0	0	0	0	0	0	0	0
2021-04-01 20:00:00-04	2021-04-02 13:12:15.02-04	{}	11	48-Pair Fiber Panel	48-pair-fiber-panel		2.0	f					13		\N		\N		\N	0	0	0	0	0	0	0	0	0	0
2021-04-01 20:00:00-04	2021-04-02 13:26:18.349-04	{}	12	QFX5110-48S-4C	qfx5110-48s-4c		1.0	t					7		\N		\N		\N	0	0	0	0	0	0	0	0	0	0
2022-01-09 19:00:00-05	2022-01-10 15:58:30.887-05	{}	14	Flex system	flex-system	8721W3X	10.0	t	parent				14		\N		\N		\N	0	0	0	0	0	0	0	0	0	0
\.


--
-- Data for Name: dcim_location; Type: TABLE DATA; Schema: public; Owner: netbox
--

COPY public.dcim_location (created, last_updated, custom_field_data, id, name, slug, description, lft, rght, tree_id, level, parent_id, site_id, tenant_id, status) FROM stdin;
2021-04-01 20:00:00-04	2021-04-02 12:57:17.398-04	{}	1	Row 1	row-1		1	2	1	0	\N	21	\N	active
2021-04-01 20:00:00-04	2021-04-02 12:57:24.629-04	{}	2	Row 2	row-2		1	2	2	0	\N	21	\N	active
\.


--
-- Data for Name: dcim_manufacturer; Type: TABLE DATA; Schema: public; Owner: netbox
--

COPY public.dcim_manufacturer (created, last_updated, custom_field_data, id, name, slug, description) FROM stdin;
2020-12-17 19:00:00-05	2020-12-17 22:17:05.28-05	{}	3	Cisco	cisco	
2020-12-17 19:00:00-05	2020-12-17 22:17:05.383-05	{}	7	Juniper	juniper	
2020-12-21 19:00:00-05	2020-12-21 21:25:37.151-05	{}	11	APC	apc	
2020-12-29 19:00:00-05	2020-12-30 15:35:02.867-05	{}	12	Panduit	panduit	
2021-04-01 20:00:00-04	2021-04-02 13:11:48.34-04	{}	13	Generic	generic	
2022-01-09 19:00:00-05	2022-01-10 15:58:27.504-05	{}	14	Lenovo	lenovo	
\.


--
-- Data for Name: dcim_platform; Type: TABLE DATA; Schema: public; Owner: netbox
--

COPY public.dcim_platform (created, last_updated, custom_field_data, id, name, slug, description, manufacturer_id, config_template_id) FROM stdin;
2020-12-19 19:00:00-05	2020-12-19 21:46:34.394-05	{}	1	Cisco IOS	cisco-ios		3	\N
2021-04-04 20:00:00-04	2021-04-05 16:51:24.573-04	{}	3	Ubuntu Linux 20.04	ubuntu-linux-20-04		\N	\N
\.


--
-- Data for Name: dcim_rack; Type: TABLE DATA; Schema: public; Owner: netbox
--

COPY public.dcim_rack (created, last_updated, custom_field_data, id, name, _name, facility_id, status, serial, asset_tag, type, width, u_height, desc_units, outer_width, outer_depth, outer_unit, comments, location_id, role_id, site_id, tenant_id, weight, max_weight, weight_unit, _abs_weight, _abs_max_weight, mounting_depth, description, starting_unit) FROM stdin;
2020-12-19 19:00:00-05	2020-12-19 21:24:51.056-05	{}	1	Comms closet	Comms closet	\N	active		\N	wall-cabinet	19	12	f	\N	\N			\N	\N	2	5	\N	\N		\N	\N	\N		1
2020-12-19 19:00:00-05	2020-12-19 21:24:51.159-05	{}	2	Comms closet	Comms closet	\N	active		\N	wall-cabinet	19	12	f	\N	\N			\N	\N	3	5	\N	\N		\N	\N	\N		1
2020-12-19 19:00:00-05	2020-12-19 21:24:51.211-05	{}	3	Comms closet	Comms closet	\N	active		\N	wall-cabinet	19	12	f	\N	\N			\N	\N	4	5	\N	\N		\N	\N	\N		1
2020-12-19 19:00:00-05	2020-12-19 21:24:51.263-05	{}	4	Comms closet	Comms closet	\N	active		\N	wall-cabinet	19	12	f	\N	\N			\N	\N	5	5	\N	\N		\N	\N	\N		1
2020-12-19 19:00:00-05	2020-12-19 21:24:51.314-05	{}	5	Comms closet	Comms closet	\N	active		\N	wall-cabinet	19	12	f	\N	\N			\N	\N	6	5	\N	\N		\N	\N	\N		1
2020-12-19 19:00:00-05	2020-12-19 21:24:51.389-05	{}	6	Comms closet	Comms closet	\N	active		\N	wall-cabinet	19	12	f	\N	\N			\N	\N	7	5	\N	\N		\N	\N	\N		1
2020-12-19 19:00:00-05	2020-12-19 21:24:51.47-05	{}	7	Comms closet	Comms closet	\N	active		\N	wall-cabinet	19	12	f	\N	\N			\N	\N	8	5	\N	\N		\N	\N	\N		1
2020-12-19 19:00:00-05	2020-12-19 21:24:51.524-05	{}	8	Comms closet	Comms closet	\N	active		\N	wall-cabinet	19	12	f	\N	\N			\N	\N	9	5	\N	\N		\N	\N	\N		1
2020-12-19 19:00:00-05	2020-12-19 21:24:51.575-05	{}	9	Comms closet	Comms closet	\N	active		\N	wall-cabinet	19	12	f	\N	\N			\N	\N	10	5	\N	\N		\N	\N	\N		1
2020-12-19 19:00:00-05	2020-12-19 21:24:51.624-05	{}	10	Comms closet	Comms closet	\N	active		\N	wall-cabinet	19	12	f	\N	\N			\N	\N	11	5	\N	\N		\N	\N	\N		1
2020-12-19 19:00:00-05	2020-12-19 21:24:51.674-05	{}	11	Comms closet	Comms closet	\N	active		\N	wall-cabinet	19	12	f	\N	\N			\N	\N	12	5	\N	\N		\N	\N	\N		1
2020-12-19 19:00:00-05	2020-12-19 21:24:51.725-05	{}	12	Comms closet	Comms closet	\N	active		\N	wall-cabinet	19	12	f	\N	\N			\N	\N	13	5	\N	\N		\N	\N	\N		1
2020-12-19 19:00:00-05	2020-12-19 21:24:51.776-05	{}	13	Comms closet	Comms closet	\N	active		\N	wall-cabinet	19	12	f	\N	\N			\N	\N	14	5	\N	\N		\N	\N	\N		1
2021-04-01 20:00:00-04	2021-04-02 13:01:13.112-04	{}	16	R103	R00000103	\N	active		\N	4-post-cabinet	19	48	f	\N	\N			1	1	21	13	\N	\N		\N	\N	\N		1
2021-04-01 20:00:00-04	2021-04-02 13:01:13.202-04	{}	17	R104	R00000104	\N	active		\N	4-post-cabinet	19	48	f	\N	\N			1	1	21	13	\N	\N		\N	\N	\N		1
2021-04-01 20:00:00-04	2021-04-02 13:01:35.986-04	{}	18	R105	R00000105	\N	active		\N	4-post-cabinet	19	48	f	\N	\N			1	2	21	13	\N	\N		\N	\N	\N		1
2021-04-01 20:00:00-04	2021-04-02 13:01:36.12-04	{}	19	R106	R00000106	\N	active		\N	4-post-cabinet	19	48	f	\N	\N			1	2	21	13	\N	\N		\N	\N	\N		1
2021-04-01 20:00:00-04	2021-04-02 13:01:36.232-04	{}	20	R107	R00000107	\N	active		\N	4-post-cabinet	19	48	f	\N	\N			1	2	21	13	\N	\N		\N	\N	\N		1
2021-04-01 20:00:00-04	2021-04-02 13:01:36.318-04	{}	21	R108	R00000108	\N	active		\N	4-post-cabinet	19	48	f	\N	\N			1	2	21	13	\N	\N		\N	\N	\N		1
2021-04-01 20:00:00-04	2021-04-05 16:20:56.328-04	{}	22	R201	R00000201	\N	active		\N	4-post-cabinet	19	48	f	\N	\N			2	2	21	13	\N	\N		\N	\N	\N		1
2021-04-01 20:00:00-04	2021-04-02 13:11:05.846-04	{}	38	IDF118	IDF00000118	\N	active		\N	4-post-frame	19	42	f	\N	\N			\N	4	23	13	\N	\N		\N	\N	\N		1
2021-04-01 20:00:00-04	2021-04-02 13:11:05.692-04	{}	39	IDF128	IDF00000128	\N	active		\N	4-post-frame	19	42	f	\N	\N			\N	4	24	13	\N	\N		\N	\N	\N		1
2021-04-01 20:00:00-04	2021-04-02 13:11:05.768-04	{}	40	IDF117	IDF00000117	\N	active		\N	4-post-frame	19	42	f	\N	\N			\N	4	22	13	\N	\N		\N	\N	\N		1
2021-04-01 20:00:00-04	2021-04-02 13:15:48.788-04	{}	41	Plant 1	Plant 00000001	\N	active		\N	2-post-frame	19	42	f	\N	\N			\N	4	21	13	\N	\N		\N	\N	\N		1
\.


--
-- Data for Name: dcim_region; Type: TABLE DATA; Schema: public; Owner: netbox
--

COPY public.dcim_region (created, last_updated, custom_field_data, id, name, slug, description, lft, rght, tree_id, level, parent_id) FROM stdin;
2020-12-17 19:00:00-05	2020-12-17 21:29:27.578-05	{}	37	New Hampshire	us-nh		65	66	4	2	7
2020-12-17 19:00:00-05	2020-12-17 21:29:27.626-05	{}	38	New Jersey	us-nj		67	68	4	2	7
2020-12-17 19:00:00-05	2020-12-17 21:29:27.725-05	{}	40	North Carolina	us-nc		73	74	4	2	7
2020-12-17 19:00:00-05	2020-12-17 21:29:27.867-05	{}	43	New York	us-ny		71	72	4	2	7
2020-12-17 19:00:00-05	2020-12-17 21:29:28.157-05	{}	49	Connecticut	us-ct		19	20	4	2	7
2020-12-17 19:00:00-05	2020-12-17 21:29:28.255-05	{}	51	Ohio	us-oh		77	78	4	2	7
2020-12-17 19:00:00-05	2020-12-17 21:29:28.884-05	{}	63	Pennsylvania	us-pa		83	84	4	2	7
2020-12-17 19:00:00-05	2020-12-17 21:29:29.508-05	{}	76	Massachusetts	us-ma		49	50	4	2	7
\.


--
-- Data for Name: dcim_site; Type: TABLE DATA; Schema: public; Owner: netbox
--

COPY public.dcim_site (created, last_updated, custom_field_data, id, name, _name, slug, status, facility, time_zone, description, physical_address, shipping_address, latitude, longitude, comments, group_id, region_id, tenant_id) FROM stdin;
2020-12-18 19:00:00-05	2021-12-30 10:45:37.384-05	{}	2	DM-Akron	DM-Akron	dm-akron	active						\N	\N		2	51	5
2020-12-18 19:00:00-05	2021-12-30 10:45:37.397-05	{}	3	DM-Albany	DM-Albany	dm-albany	active						\N	\N		2	43	5
2020-12-18 19:00:00-05	2021-12-30 10:45:37.409-05	{}	4	DM-Binghamton	DM-Binghamton	dm-binghamton	active						\N	\N		2	43	5
2020-12-18 19:00:00-05	2021-12-30 10:45:37.422-05	{}	5	DM-Buffalo	DM-Buffalo	dm-buffalo	active						\N	\N		2	43	5
2020-12-18 19:00:00-05	2021-12-30 10:45:37.434-05	{}	6	DM-Camden	DM-Camden	dm-camden	active						\N	\N		2	38	5
2020-12-18 19:00:00-05	2021-12-30 10:45:37.445-05	{}	7	DM-Nashua	DM-Nashua	dm-nashua	active						\N	\N		2	37	5
2020-12-18 19:00:00-05	2021-12-30 10:46:40.331-05	{}	8	DM-Pittsfield	DM-Pittsfield	dm-pittsfield	active						\N	\N		2	76	5
2020-12-18 19:00:00-05	2021-12-30 10:45:37.477-05	{}	9	DM-Rochester	DM-Rochester	dm-rochester	active						\N	\N		2	43	5
2020-12-18 19:00:00-05	2021-12-30 10:45:37.489-05	{}	10	DM-Scranton	DM-Scranton	dm-scranton	active						\N	\N		2	63	5
2020-12-18 19:00:00-05	2021-12-30 10:45:37.501-05	{}	11	DM-Stamford	DM-Stamford	dm-stamford	active						\N	\N		2	49	5
2020-12-18 19:00:00-05	2021-12-30 10:45:37.513-05	{}	12	DM-Syracuse	DM-Syracuse	dm-syracuse	active						\N	\N		2	43	5
2020-12-18 19:00:00-05	2021-12-30 10:45:37.525-05	{}	13	DM-Utica	DM-Utica	dm-utica	active						\N	\N		2	43	5
2020-12-18 19:00:00-05	2021-12-30 10:45:37.537-05	{}	14	DM-Yonkers	DM-Yonkers	dm-yonkers	active						\N	\N		2	43	5
2021-04-01 20:00:00-04	2021-12-30 10:45:37.647-05	{}	21	MDF	MDF	ncsu-065	active	065		Main Distribution Frame	401 Dan Allen Dr., Raleigh, NC 27607		\N	\N		\N	40	13
2021-04-01 20:00:00-04	2021-12-30 10:45:37.549-05	{}	22	D. S. Weaver Labs	D. S. Weaver Labs	ncsu-117	active	DSW			3110 Faucette Dr., Raleigh, NC 27607		\N	\N		\N	40	13
2021-04-01 20:00:00-04	2021-12-30 10:45:37.561-05	{}	23	Grinnells Lab	Grinnells Lab	ncsu-118	active	GRL			3200 Faucette Dr., Raleigh, NC 27607		\N	\N		\N	40	13
2021-04-01 20:00:00-04	2021-12-30 10:45:37.371-05	{}	24	Butler Communications	Butler Communications	ncsu-128	active	BUT			3210 Faucette Dr., Raleigh, NC 27607		\N	\N		\N	40	13
\.


--
-- Data for Name: extras_tag; Type: TABLE DATA; Schema: public; Owner: netbox
--

COPY public.extras_tag (name, slug, created, last_updated, id, color, description) FROM stdin;
Alpha	alpha	2021-12-29 19:00:00-05	2021-12-30 10:39:39.93-05	1	aa1409	
Bravo	bravo	2021-12-29 19:00:00-05	2021-12-30 10:39:39.978-05	2	f44336	
Charlie	charlie	2021-12-29 19:00:00-05	2021-12-30 10:39:40.005-05	3	e91e63	
Delta	delta	2021-12-29 19:00:00-05	2021-12-30 10:39:40.032-05	4	ffe4e1	
Echo	echo	2021-12-29 19:00:00-05	2021-12-30 10:39:40.059-05	5	ff66ff	
Foxtrot	foxtrot	2021-12-29 19:00:00-05	2021-12-30 10:39:40.085-05	6	9c27b0	
Golf	golf	2021-12-29 19:00:00-05	2021-12-30 10:39:40.112-05	7	673ab7	
Hotel	hotel	2021-12-29 19:00:00-05	2021-12-30 10:39:40.142-05	8	3f51b5	
India	india	2021-12-29 19:00:00-05	2021-12-30 10:39:40.169-05	9	2196f3	
Juliett	juliett	2021-12-29 19:00:00-05	2021-12-30 10:39:40.195-05	10	03a9f4	
Kilo	kilo	2021-12-29 19:00:00-05	2021-12-30 10:39:40.221-05	11	00bcd4	
Lima	lima	2021-12-29 19:00:00-05	2021-12-30 10:39:40.247-05	12	009688	
Mike	mike	2021-12-29 19:00:00-05	2021-12-30 10:39:40.273-05	13	00ffff	
November	november	2021-12-29 19:00:00-05	2021-12-30 10:39:40.299-05	14	2f6a31	
Oscar	oscar	2021-12-29 19:00:00-05	2021-12-30 10:39:40.325-05	15	4caf50	
Papa	papa	2021-12-29 19:00:00-05	2021-12-30 10:39:40.352-05	16	8bc34a	
Quebec	quebec	2021-12-29 19:00:00-05	2021-12-30 10:39:40.378-05	17	cddc39	
Romeo	romeo	2021-12-29 19:00:00-05	2021-12-30 10:39:40.404-05	18	ffeb3b	
Sierra	sierra	2021-12-29 19:00:00-05	2021-12-30 10:39:40.43-05	19	ffc107	
Tango	tango	2021-12-29 19:00:00-05	2021-12-30 10:39:40.456-05	20	ff9800	
Uniform	uniform	2021-12-29 19:00:00-05	2021-12-30 10:39:40.482-05	21	ff5722	
Victor	victor	2021-12-29 19:00:00-05	2021-12-30 10:39:40.508-05	22	795548	
Whiskey	whiskey	2021-12-29 19:00:00-05	2021-12-30 10:39:40.534-05	23	c0c0c0	
X-ray	x-ray	2021-12-29 19:00:00-05	2021-12-30 10:39:40.56-05	24	9e9e9e	
Yankee	yankee	2021-12-29 19:00:00-05	2021-12-30 10:39:40.586-05	25	607d8b	
Zulu	zulu	2021-12-29 19:00:00-05	2021-12-30 10:39:40.624-05	26	111111	
\.


--
-- Data for Name: extras_taggeditem; Type: TABLE DATA; Schema: public; Owner: netbox
--

COPY public.extras_taggeditem (object_id, id, content_type_id, tag_id) FROM stdin;
\.


--
-- Data for Name: tenancy_tenant; Type: TABLE DATA; Schema: public; Owner: netbox
--

COPY public.tenancy_tenant (created, last_updated, custom_field_data, id, name, slug, description, comments, group_id) FROM stdin;
2020-12-18 19:00:00-05	2020-12-30 13:43:27.515-05	{"cust_id": "DMI01"}	5	Dunder-Mifflin, Inc.	dunder-mifflin			1
2021-04-01 20:00:00-04	2021-04-02 12:46:50.851-04	{"cust_id": ""}	13	NC State University	nc-state			1
\.


--
-- Data for Name: virtualization_cluster; Type: TABLE DATA; Schema: public; Owner: netbox
--

COPY public.virtualization_cluster (created, last_updated, custom_field_data, id, name, comments, group_id, site_id, tenant_id, type_id, status, description) FROM stdin;
2021-04-01 20:00:00-04	2021-04-02 11:53:41.323-04	{}	1	DO-NYC1		1	\N	\N	4	active	
2021-04-01 20:00:00-04	2021-04-02 11:53:47.949-04	{}	2	DO-NYC3		1	\N	\N	4	active	
2021-04-01 20:00:00-04	2021-04-02 12:01:35.774-04	{}	3	DO-SFO3		1	\N	\N	4	active	
2021-04-01 20:00:00-04	2021-04-02 12:02:09.962-04	{}	4	DO-TOR1		1	\N	\N	4	active	
2021-04-01 20:00:00-04	2021-04-02 12:02:37.662-04	{}	5	DO-SGP1		4	\N	\N	4	active	
2021-04-01 20:00:00-04	2021-04-02 12:02:55.049-04	{}	6	DO-LON1		3	\N	\N	4	active	
2021-04-01 20:00:00-04	2021-04-02 12:03:04.254-04	{}	7	DO-FRA1		3	\N	\N	4	active	
2021-04-01 20:00:00-04	2021-04-02 12:03:29.825-04	{}	8	DO-BLR1		4	\N	\N	4	active	
2021-04-01 20:00:00-04	2021-04-02 12:03:57.309-04	{}	9	DO-AMS3		3	\N	\N	4	active	
\.


--
-- Data for Name: virtualization_clustergroup; Type: TABLE DATA; Schema: public; Owner: netbox
--

COPY public.virtualization_clustergroup (created, last_updated, custom_field_data, id, name, slug, description) FROM stdin;
2021-04-01 20:00:00-04	2021-04-02 12:01:25.618-04	{}	1	North America	north-america	
2021-04-01 20:00:00-04	2021-04-02 11:58:27.437-04	{}	3	EMEA	emea	
2021-04-01 20:00:00-04	2021-04-02 12:01:49.188-04	{}	4	Asia Pacific	asia-pacific	
2021-04-01 20:00:00-04	2021-04-02 12:06:22.848-04	{}	5	South America	south-america	
\.


--
-- Data for Name: virtualization_virtualmachine; Type: TABLE DATA; Schema: public; Owner: netbox
--

COPY public.virtualization_virtualmachine (created, last_updated, custom_field_data, id, local_context_data, name, status, vcpus, memory, disk, comments, cluster_id, platform_id, primary_ip4_id, primary_ip6_id, role_id, tenant_id, _name, site_id, device_id, description, interface_count, config_template_id) FROM stdin;
2021-04-04 20:00:00-04	2021-04-05 17:15:56.301-04	{}	361	\N	vm1	active	\N	\N	\N		9	3	\N	\N	7	\N	vm00000001	\N	\N		4	\N
2021-04-04 20:00:00-04	2021-04-05 17:15:56.322-04	{}	370	\N	vm10	active	\N	\N	\N		9	3	\N	\N	7	\N	vm00000010	\N	\N		4	\N
2021-04-04 20:00:00-04	2021-04-05 17:15:56.462-04	{}	460	\N	vm100	active	\N	\N	\N		1	3	\N	\N	7	\N	vm00000100	\N	\N		4	\N
2021-04-04 20:00:00-04	2021-04-05 17:15:56.464-04	{}	461	\N	vm101	active	\N	\N	\N		2	3	\N	\N	7	\N	vm00000101	\N	\N		4	\N
2021-04-04 20:00:00-04	2021-04-05 17:15:56.465-04	{}	462	\N	vm102	active	\N	\N	\N		2	3	\N	\N	7	\N	vm00000102	\N	\N		4	\N
2021-04-04 20:00:00-04	2021-04-05 17:15:56.467-04	{}	463	\N	vm103	active	\N	\N	\N		2	3	\N	\N	7	\N	vm00000103	\N	\N		4	\N
2021-04-04 20:00:00-04	2021-04-05 17:15:56.468-04	{}	464	\N	vm104	active	\N	\N	\N		2	3	\N	\N	7	\N	vm00000104	\N	\N		4	\N
2021-04-04 20:00:00-04	2021-04-05 17:15:56.47-04	{}	465	\N	vm105	active	\N	\N	\N		2	3	\N	\N	7	\N	vm00000105	\N	\N		4	\N
2021-04-04 20:00:00-04	2021-04-05 17:15:56.472-04	{}	466	\N	vm106	active	\N	\N	\N		2	3	\N	\N	7	\N	vm00000106	\N	\N		4	\N
2021-04-04 20:00:00-04	2021-04-05 17:15:56.473-04	{}	467	\N	vm107	active	\N	\N	\N		2	3	\N	\N	7	\N	vm00000107	\N	\N		4	\N
2021-04-04 20:00:00-04	2021-04-05 17:15:56.475-04	{}	468	\N	vm108	active	\N	\N	\N		2	3	\N	\N	7	\N	vm00000108	\N	\N		4	\N
2021-04-04 20:00:00-04	2021-04-05 17:15:56.476-04	{}	469	\N	vm109	active	\N	\N	\N		2	3	\N	\N	7	\N	vm00000109	\N	\N		4	\N
2021-04-04 20:00:00-04	2021-04-05 17:15:56.324-04	{}	371	\N	vm11	active	\N	\N	\N		9	3	\N	\N	7	\N	vm00000011	\N	\N		4	\N
2021-04-04 20:00:00-04	2021-04-05 17:15:56.478-04	{}	470	\N	vm110	active	\N	\N	\N		2	3	\N	\N	7	\N	vm00000110	\N	\N		4	\N
2021-04-04 20:00:00-04	2021-04-05 17:15:56.479-04	{}	471	\N	vm111	active	\N	\N	\N		2	3	\N	\N	7	\N	vm00000111	\N	\N		4	\N
2021-04-04 20:00:00-04	2021-04-05 17:15:56.481-04	{}	472	\N	vm112	active	\N	\N	\N		2	3	\N	\N	7	\N	vm00000112	\N	\N		4	\N
2021-04-04 20:00:00-04	2021-04-05 17:15:56.482-04	{}	473	\N	vm113	active	\N	\N	\N		2	3	\N	\N	7	\N	vm00000113	\N	\N		4	\N
2021-04-04 20:00:00-04	2021-04-05 17:15:56.484-04	{}	474	\N	vm114	active	\N	\N	\N		2	3	\N	\N	7	\N	vm00000114	\N	\N		4	\N
2021-04-04 20:00:00-04	2021-04-05 17:15:56.485-04	{}	475	\N	vm115	active	\N	\N	\N		2	3	\N	\N	7	\N	vm00000115	\N	\N		4	\N
2021-04-04 20:00:00-04	2021-04-05 17:15:56.487-04	{}	476	\N	vm116	active	\N	\N	\N		2	3	\N	\N	7	\N	vm00000116	\N	\N		4	\N
2021-04-04 20:00:00-04	2021-04-05 17:15:56.488-04	{}	477	\N	vm117	active	\N	\N	\N		2	3	\N	\N	7	\N	vm00000117	\N	\N		4	\N
2021-04-04 20:00:00-04	2021-04-05 17:15:56.49-04	{}	478	\N	vm118	active	\N	\N	\N		2	3	\N	\N	7	\N	vm00000118	\N	\N		4	\N
2021-04-04 20:00:00-04	2021-04-05 17:15:56.491-04	{}	479	\N	vm119	active	\N	\N	\N		2	3	\N	\N	7	\N	vm00000119	\N	\N		4	\N
2021-04-04 20:00:00-04	2021-04-05 17:15:56.325-04	{}	372	\N	vm12	active	\N	\N	\N		9	3	\N	\N	7	\N	vm00000012	\N	\N		4	\N
2021-04-04 20:00:00-04	2021-04-05 17:15:56.493-04	{}	480	\N	vm120	active	\N	\N	\N		2	3	\N	\N	7	\N	vm00000120	\N	\N		4	\N
2021-04-04 20:00:00-04	2021-04-05 17:15:56.495-04	{}	481	\N	vm121	active	\N	\N	\N		3	3	\N	\N	7	\N	vm00000121	\N	\N		4	\N
2021-04-04 20:00:00-04	2021-04-05 17:15:56.496-04	{}	482	\N	vm122	active	\N	\N	\N		3	3	\N	\N	7	\N	vm00000122	\N	\N		4	\N
2021-04-04 20:00:00-04	2021-04-05 17:15:56.498-04	{}	483	\N	vm123	active	\N	\N	\N		3	3	\N	\N	7	\N	vm00000123	\N	\N		4	\N
2021-04-04 20:00:00-04	2021-04-05 17:15:56.499-04	{}	484	\N	vm124	active	\N	\N	\N		3	3	\N	\N	7	\N	vm00000124	\N	\N		4	\N
2021-04-04 20:00:00-04	2021-04-05 17:15:56.501-04	{}	485	\N	vm125	active	\N	\N	\N		3	3	\N	\N	7	\N	vm00000125	\N	\N		4	\N
2021-04-04 20:00:00-04	2021-04-05 17:15:56.502-04	{}	486	\N	vm126	active	\N	\N	\N		3	3	\N	\N	7	\N	vm00000126	\N	\N		4	\N
2021-04-04 20:00:00-04	2021-04-05 17:15:56.504-04	{}	487	\N	vm127	active	\N	\N	\N		3	3	\N	\N	7	\N	vm00000127	\N	\N		4	\N
2021-04-04 20:00:00-04	2021-04-05 17:15:56.505-04	{}	488	\N	vm128	active	\N	\N	\N		3	3	\N	\N	7	\N	vm00000128	\N	\N		4	\N
2021-04-04 20:00:00-04	2021-04-05 17:15:56.507-04	{}	489	\N	vm129	active	\N	\N	\N		3	3	\N	\N	7	\N	vm00000129	\N	\N		4	\N
2021-04-04 20:00:00-04	2021-04-05 17:15:56.327-04	{}	373	\N	vm13	active	\N	\N	\N		9	3	\N	\N	7	\N	vm00000013	\N	\N		4	\N
2021-04-04 20:00:00-04	2021-04-05 17:15:56.508-04	{}	490	\N	vm130	active	\N	\N	\N		3	3	\N	\N	7	\N	vm00000130	\N	\N		4	\N
2021-04-04 20:00:00-04	2021-04-05 17:15:56.51-04	{}	491	\N	vm131	active	\N	\N	\N		3	3	\N	\N	7	\N	vm00000131	\N	\N		4	\N
2021-04-04 20:00:00-04	2021-04-05 17:15:56.511-04	{}	492	\N	vm132	active	\N	\N	\N		3	3	\N	\N	7	\N	vm00000132	\N	\N		4	\N
2021-04-04 20:00:00-04	2021-04-05 17:15:56.513-04	{}	493	\N	vm133	active	\N	\N	\N		3	3	\N	\N	7	\N	vm00000133	\N	\N		4	\N
2021-04-04 20:00:00-04	2021-04-05 17:15:56.515-04	{}	494	\N	vm134	active	\N	\N	\N		3	3	\N	\N	7	\N	vm00000134	\N	\N		4	\N
2021-04-04 20:00:00-04	2021-04-05 17:15:56.516-04	{}	495	\N	vm135	active	\N	\N	\N		3	3	\N	\N	7	\N	vm00000135	\N	\N		4	\N
2021-04-04 20:00:00-04	2021-04-05 17:15:56.518-04	{}	496	\N	vm136	active	\N	\N	\N		3	3	\N	\N	7	\N	vm00000136	\N	\N		4	\N
2021-04-04 20:00:00-04	2021-04-05 17:15:56.519-04	{}	497	\N	vm137	active	\N	\N	\N		3	3	\N	\N	7	\N	vm00000137	\N	\N		4	\N
2021-04-04 20:00:00-04	2021-04-05 17:15:56.521-04	{}	498	\N	vm138	active	\N	\N	\N		3	3	\N	\N	7	\N	vm00000138	\N	\N		4	\N
2021-04-04 20:00:00-04	2021-04-05 17:15:56.522-04	{}	499	\N	vm139	active	\N	\N	\N		3	3	\N	\N	7	\N	vm00000139	\N	\N		4	\N
2021-04-04 20:00:00-04	2021-04-05 17:15:56.328-04	{}	374	\N	vm14	active	\N	\N	\N		9	3	\N	\N	7	\N	vm00000014	\N	\N		4	\N
2021-04-04 20:00:00-04	2021-04-05 17:15:56.524-04	{}	500	\N	vm140	active	\N	\N	\N		3	3	\N	\N	7	\N	vm00000140	\N	\N		4	\N
2021-04-04 20:00:00-04	2021-04-05 17:15:56.525-04	{}	501	\N	vm141	active	\N	\N	\N		5	3	\N	\N	7	\N	vm00000141	\N	\N		4	\N
2021-04-04 20:00:00-04	2021-04-05 17:15:56.527-04	{}	502	\N	vm142	active	\N	\N	\N		5	3	\N	\N	7	\N	vm00000142	\N	\N		4	\N
2021-04-04 20:00:00-04	2021-04-05 17:15:56.528-04	{}	503	\N	vm143	active	\N	\N	\N		5	3	\N	\N	7	\N	vm00000143	\N	\N		4	\N
2021-04-04 20:00:00-04	2021-04-05 17:15:56.53-04	{}	504	\N	vm144	active	\N	\N	\N		5	3	\N	\N	7	\N	vm00000144	\N	\N		4	\N
2021-04-04 20:00:00-04	2021-04-05 17:15:56.531-04	{}	505	\N	vm145	active	\N	\N	\N		5	3	\N	\N	7	\N	vm00000145	\N	\N		4	\N
2021-04-04 20:00:00-04	2021-04-05 17:15:56.533-04	{}	506	\N	vm146	active	\N	\N	\N		5	3	\N	\N	7	\N	vm00000146	\N	\N		4	\N
2021-04-04 20:00:00-04	2021-04-05 17:15:56.535-04	{}	507	\N	vm147	active	\N	\N	\N		5	3	\N	\N	7	\N	vm00000147	\N	\N		4	\N
2021-04-04 20:00:00-04	2021-04-05 17:15:56.537-04	{}	508	\N	vm148	active	\N	\N	\N		5	3	\N	\N	7	\N	vm00000148	\N	\N		4	\N
2021-04-04 20:00:00-04	2021-04-05 17:15:56.538-04	{}	509	\N	vm149	active	\N	\N	\N		5	3	\N	\N	7	\N	vm00000149	\N	\N		4	\N
2021-04-04 20:00:00-04	2021-04-05 17:15:56.33-04	{}	375	\N	vm15	active	\N	\N	\N		9	3	\N	\N	7	\N	vm00000015	\N	\N		4	\N
2021-04-04 20:00:00-04	2021-04-05 17:15:56.54-04	{}	510	\N	vm150	active	\N	\N	\N		5	3	\N	\N	7	\N	vm00000150	\N	\N		4	\N
2021-04-04 20:00:00-04	2021-04-05 17:15:56.541-04	{}	511	\N	vm151	active	\N	\N	\N		5	3	\N	\N	7	\N	vm00000151	\N	\N		4	\N
2021-04-04 20:00:00-04	2021-04-05 17:15:56.543-04	{}	512	\N	vm152	active	\N	\N	\N		5	3	\N	\N	7	\N	vm00000152	\N	\N		4	\N
2021-04-04 20:00:00-04	2021-04-05 17:15:56.544-04	{}	513	\N	vm153	active	\N	\N	\N		5	3	\N	\N	7	\N	vm00000153	\N	\N		4	\N
2021-04-04 20:00:00-04	2021-04-05 17:15:56.546-04	{}	514	\N	vm154	active	\N	\N	\N		5	3	\N	\N	7	\N	vm00000154	\N	\N		4	\N
2021-04-04 20:00:00-04	2021-04-05 17:15:56.547-04	{}	515	\N	vm155	active	\N	\N	\N		5	3	\N	\N	7	\N	vm00000155	\N	\N		4	\N
2021-04-04 20:00:00-04	2021-04-05 17:15:56.549-04	{}	516	\N	vm156	active	\N	\N	\N		5	3	\N	\N	7	\N	vm00000156	\N	\N		4	\N
2021-04-04 20:00:00-04	2021-04-05 17:15:56.55-04	{}	517	\N	vm157	active	\N	\N	\N		5	3	\N	\N	7	\N	vm00000157	\N	\N		4	\N
2021-04-04 20:00:00-04	2021-04-05 17:15:56.552-04	{}	518	\N	vm158	active	\N	\N	\N		5	3	\N	\N	7	\N	vm00000158	\N	\N		4	\N
2021-04-04 20:00:00-04	2021-04-05 17:15:56.554-04	{}	519	\N	vm159	active	\N	\N	\N		5	3	\N	\N	7	\N	vm00000159	\N	\N		4	\N
2021-04-04 20:00:00-04	2021-04-05 17:15:56.331-04	{}	376	\N	vm16	active	\N	\N	\N		9	3	\N	\N	7	\N	vm00000016	\N	\N		4	\N
2021-04-04 20:00:00-04	2021-04-05 17:15:56.555-04	{}	520	\N	vm160	active	\N	\N	\N		5	3	\N	\N	7	\N	vm00000160	\N	\N		4	\N
2021-04-04 20:00:00-04	2021-04-05 17:15:56.557-04	{}	521	\N	vm161	active	\N	\N	\N		4	3	\N	\N	7	\N	vm00000161	\N	\N		4	\N
2021-04-04 20:00:00-04	2021-04-05 17:15:56.559-04	{}	522	\N	vm162	active	\N	\N	\N		4	3	\N	\N	7	\N	vm00000162	\N	\N		4	\N
2021-04-04 20:00:00-04	2021-04-05 17:15:56.56-04	{}	523	\N	vm163	active	\N	\N	\N		4	3	\N	\N	7	\N	vm00000163	\N	\N		4	\N
2021-04-04 20:00:00-04	2021-04-05 17:15:56.562-04	{}	524	\N	vm164	active	\N	\N	\N		4	3	\N	\N	7	\N	vm00000164	\N	\N		4	\N
2021-04-04 20:00:00-04	2021-04-05 17:15:56.563-04	{}	525	\N	vm165	active	\N	\N	\N		4	3	\N	\N	7	\N	vm00000165	\N	\N		4	\N
2021-04-04 20:00:00-04	2021-04-05 17:15:56.565-04	{}	526	\N	vm166	active	\N	\N	\N		4	3	\N	\N	7	\N	vm00000166	\N	\N		4	\N
2021-04-04 20:00:00-04	2021-04-05 17:15:56.566-04	{}	527	\N	vm167	active	\N	\N	\N		4	3	\N	\N	7	\N	vm00000167	\N	\N		4	\N
2021-04-04 20:00:00-04	2021-04-05 17:15:56.568-04	{}	528	\N	vm168	active	\N	\N	\N		4	3	\N	\N	7	\N	vm00000168	\N	\N		4	\N
2021-04-04 20:00:00-04	2021-04-05 17:15:56.569-04	{}	529	\N	vm169	active	\N	\N	\N		4	3	\N	\N	7	\N	vm00000169	\N	\N		4	\N
2021-04-04 20:00:00-04	2021-04-05 17:15:56.333-04	{}	377	\N	vm17	active	\N	\N	\N		9	3	\N	\N	7	\N	vm00000017	\N	\N		4	\N
2021-04-04 20:00:00-04	2021-04-05 17:15:56.571-04	{}	530	\N	vm170	active	\N	\N	\N		4	3	\N	\N	7	\N	vm00000170	\N	\N		4	\N
2021-04-04 20:00:00-04	2021-04-05 17:15:56.572-04	{}	531	\N	vm171	active	\N	\N	\N		4	3	\N	\N	7	\N	vm00000171	\N	\N		4	\N
2021-04-04 20:00:00-04	2021-04-05 17:15:56.574-04	{}	532	\N	vm172	active	\N	\N	\N		4	3	\N	\N	7	\N	vm00000172	\N	\N		4	\N
2021-04-04 20:00:00-04	2021-04-05 17:15:56.576-04	{}	533	\N	vm173	active	\N	\N	\N		4	3	\N	\N	7	\N	vm00000173	\N	\N		4	\N
2021-04-04 20:00:00-04	2021-04-05 17:15:56.577-04	{}	534	\N	vm174	active	\N	\N	\N		4	3	\N	\N	7	\N	vm00000174	\N	\N		4	\N
2021-04-04 20:00:00-04	2021-04-05 17:15:56.579-04	{}	535	\N	vm175	active	\N	\N	\N		4	3	\N	\N	7	\N	vm00000175	\N	\N		4	\N
2021-04-04 20:00:00-04	2021-04-05 17:15:56.58-04	{}	536	\N	vm176	active	\N	\N	\N		4	3	\N	\N	7	\N	vm00000176	\N	\N		4	\N
2021-04-04 20:00:00-04	2021-04-05 17:15:56.582-04	{}	537	\N	vm177	active	\N	\N	\N		4	3	\N	\N	7	\N	vm00000177	\N	\N		4	\N
2021-04-04 20:00:00-04	2021-04-05 17:15:56.583-04	{}	538	\N	vm178	active	\N	\N	\N		4	3	\N	\N	7	\N	vm00000178	\N	\N		4	\N
2021-04-04 20:00:00-04	2021-04-05 17:15:56.585-04	{}	539	\N	vm179	active	\N	\N	\N		4	3	\N	\N	7	\N	vm00000179	\N	\N		4	\N
2021-04-04 20:00:00-04	2021-04-05 17:15:56.334-04	{}	378	\N	vm18	active	\N	\N	\N		9	3	\N	\N	7	\N	vm00000018	\N	\N		4	\N
2021-04-04 20:00:00-04	2021-04-05 17:15:56.586-04	{}	540	\N	vm180	active	\N	\N	\N		4	3	\N	\N	7	\N	vm00000180	\N	\N		4	\N
2021-04-04 20:00:00-04	2021-04-05 17:15:56.336-04	{}	379	\N	vm19	active	\N	\N	\N		9	3	\N	\N	7	\N	vm00000019	\N	\N		4	\N
2021-04-04 20:00:00-04	2021-04-05 17:15:56.309-04	{}	362	\N	vm2	active	\N	\N	\N		9	3	\N	\N	7	\N	vm00000002	\N	\N		4	\N
2021-04-04 20:00:00-04	2021-04-05 17:15:56.338-04	{}	380	\N	vm20	active	\N	\N	\N		9	3	\N	\N	7	\N	vm00000020	\N	\N		4	\N
2021-04-04 20:00:00-04	2021-04-05 17:15:56.339-04	{}	381	\N	vm21	active	\N	\N	\N		8	3	\N	\N	7	\N	vm00000021	\N	\N		4	\N
2021-04-04 20:00:00-04	2021-04-05 17:15:56.341-04	{}	382	\N	vm22	active	\N	\N	\N		8	3	\N	\N	7	\N	vm00000022	\N	\N		4	\N
2021-04-04 20:00:00-04	2021-04-05 17:15:56.343-04	{}	383	\N	vm23	active	\N	\N	\N		8	3	\N	\N	7	\N	vm00000023	\N	\N		4	\N
2021-04-04 20:00:00-04	2021-04-05 17:15:56.344-04	{}	384	\N	vm24	active	\N	\N	\N		8	3	\N	\N	7	\N	vm00000024	\N	\N		4	\N
2021-04-04 20:00:00-04	2021-04-05 17:15:56.346-04	{}	385	\N	vm25	active	\N	\N	\N		8	3	\N	\N	7	\N	vm00000025	\N	\N		4	\N
2021-04-04 20:00:00-04	2021-04-05 17:15:56.347-04	{}	386	\N	vm26	active	\N	\N	\N		8	3	\N	\N	7	\N	vm00000026	\N	\N		4	\N
2021-04-04 20:00:00-04	2021-04-05 17:15:56.349-04	{}	387	\N	vm27	active	\N	\N	\N		8	3	\N	\N	7	\N	vm00000027	\N	\N		4	\N
2021-04-04 20:00:00-04	2021-04-05 17:15:56.35-04	{}	388	\N	vm28	active	\N	\N	\N		8	3	\N	\N	7	\N	vm00000028	\N	\N		4	\N
2021-04-04 20:00:00-04	2021-04-05 17:15:56.352-04	{}	389	\N	vm29	active	\N	\N	\N		8	3	\N	\N	7	\N	vm00000029	\N	\N		4	\N
2021-04-04 20:00:00-04	2021-04-05 17:15:56.311-04	{}	363	\N	vm3	active	\N	\N	\N		9	3	\N	\N	7	\N	vm00000003	\N	\N		4	\N
2021-04-04 20:00:00-04	2021-04-05 17:15:56.353-04	{}	390	\N	vm30	active	\N	\N	\N		8	3	\N	\N	7	\N	vm00000030	\N	\N		4	\N
2021-04-04 20:00:00-04	2021-04-05 17:15:56.355-04	{}	391	\N	vm31	active	\N	\N	\N		8	3	\N	\N	7	\N	vm00000031	\N	\N		4	\N
2021-04-04 20:00:00-04	2021-04-05 17:15:56.357-04	{}	392	\N	vm32	active	\N	\N	\N		8	3	\N	\N	7	\N	vm00000032	\N	\N		4	\N
2021-04-04 20:00:00-04	2021-04-05 17:15:56.359-04	{}	393	\N	vm33	active	\N	\N	\N		8	3	\N	\N	7	\N	vm00000033	\N	\N		4	\N
2021-04-04 20:00:00-04	2021-04-05 17:15:56.36-04	{}	394	\N	vm34	active	\N	\N	\N		8	3	\N	\N	7	\N	vm00000034	\N	\N		4	\N
2021-04-04 20:00:00-04	2021-04-05 17:15:56.362-04	{}	395	\N	vm35	active	\N	\N	\N		8	3	\N	\N	7	\N	vm00000035	\N	\N		4	\N
2021-04-04 20:00:00-04	2021-04-05 17:15:56.363-04	{}	396	\N	vm36	active	\N	\N	\N		8	3	\N	\N	7	\N	vm00000036	\N	\N		4	\N
2021-04-04 20:00:00-04	2021-04-05 17:15:56.365-04	{}	397	\N	vm37	active	\N	\N	\N		8	3	\N	\N	7	\N	vm00000037	\N	\N		4	\N
2021-04-04 20:00:00-04	2021-04-05 17:15:56.366-04	{}	398	\N	vm38	active	\N	\N	\N		8	3	\N	\N	7	\N	vm00000038	\N	\N		4	\N
2021-04-04 20:00:00-04	2021-04-05 17:15:56.367-04	{}	399	\N	vm39	active	\N	\N	\N		8	3	\N	\N	7	\N	vm00000039	\N	\N		4	\N
2021-04-04 20:00:00-04	2021-04-05 17:15:56.312-04	{}	364	\N	vm4	active	\N	\N	\N		9	3	\N	\N	7	\N	vm00000004	\N	\N		4	\N
2021-04-04 20:00:00-04	2021-04-05 17:15:56.369-04	{}	400	\N	vm40	active	\N	\N	\N		8	3	\N	\N	7	\N	vm00000040	\N	\N		4	\N
2021-04-04 20:00:00-04	2021-04-05 17:15:56.37-04	{}	401	\N	vm41	active	\N	\N	\N		7	3	\N	\N	7	\N	vm00000041	\N	\N		4	\N
2021-04-04 20:00:00-04	2021-04-05 17:15:56.372-04	{}	402	\N	vm42	active	\N	\N	\N		7	3	\N	\N	7	\N	vm00000042	\N	\N		4	\N
2021-04-04 20:00:00-04	2021-04-05 17:15:56.374-04	{}	403	\N	vm43	active	\N	\N	\N		7	3	\N	\N	7	\N	vm00000043	\N	\N		4	\N
2021-04-04 20:00:00-04	2021-04-05 17:15:56.375-04	{}	404	\N	vm44	active	\N	\N	\N		7	3	\N	\N	7	\N	vm00000044	\N	\N		4	\N
2021-04-04 20:00:00-04	2021-04-05 17:15:56.377-04	{}	405	\N	vm45	active	\N	\N	\N		7	3	\N	\N	7	\N	vm00000045	\N	\N		4	\N
2021-04-04 20:00:00-04	2021-04-05 17:15:56.379-04	{}	406	\N	vm46	active	\N	\N	\N		7	3	\N	\N	7	\N	vm00000046	\N	\N		4	\N
2021-04-04 20:00:00-04	2021-04-05 17:15:56.38-04	{}	407	\N	vm47	active	\N	\N	\N		7	3	\N	\N	7	\N	vm00000047	\N	\N		4	\N
2021-04-04 20:00:00-04	2021-04-05 17:15:56.382-04	{}	408	\N	vm48	active	\N	\N	\N		7	3	\N	\N	7	\N	vm00000048	\N	\N		4	\N
2021-04-04 20:00:00-04	2021-04-05 17:15:56.383-04	{}	409	\N	vm49	active	\N	\N	\N		7	3	\N	\N	7	\N	vm00000049	\N	\N		4	\N
2021-04-04 20:00:00-04	2021-04-05 17:15:56.314-04	{}	365	\N	vm5	active	\N	\N	\N		9	3	\N	\N	7	\N	vm00000005	\N	\N		4	\N
2021-04-04 20:00:00-04	2021-04-05 17:15:56.385-04	{}	410	\N	vm50	active	\N	\N	\N		7	3	\N	\N	7	\N	vm00000050	\N	\N		4	\N
2021-04-04 20:00:00-04	2021-04-05 17:15:56.386-04	{}	411	\N	vm51	active	\N	\N	\N		7	3	\N	\N	7	\N	vm00000051	\N	\N		4	\N
2021-04-04 20:00:00-04	2021-04-05 17:15:56.387-04	{}	412	\N	vm52	active	\N	\N	\N		7	3	\N	\N	7	\N	vm00000052	\N	\N		4	\N
2021-04-04 20:00:00-04	2021-04-05 17:15:56.389-04	{}	413	\N	vm53	active	\N	\N	\N		7	3	\N	\N	7	\N	vm00000053	\N	\N		4	\N
2021-04-04 20:00:00-04	2021-04-05 17:15:56.39-04	{}	414	\N	vm54	active	\N	\N	\N		7	3	\N	\N	7	\N	vm00000054	\N	\N		4	\N
2021-04-04 20:00:00-04	2021-04-05 17:15:56.392-04	{}	415	\N	vm55	active	\N	\N	\N		7	3	\N	\N	7	\N	vm00000055	\N	\N		4	\N
2021-04-04 20:00:00-04	2021-04-05 17:15:56.393-04	{}	416	\N	vm56	active	\N	\N	\N		7	3	\N	\N	7	\N	vm00000056	\N	\N		4	\N
2021-04-04 20:00:00-04	2021-04-05 17:15:56.394-04	{}	417	\N	vm57	active	\N	\N	\N		7	3	\N	\N	7	\N	vm00000057	\N	\N		4	\N
2021-04-04 20:00:00-04	2021-04-05 17:15:56.396-04	{}	418	\N	vm58	active	\N	\N	\N		7	3	\N	\N	7	\N	vm00000058	\N	\N		4	\N
2021-04-04 20:00:00-04	2021-04-05 17:15:56.397-04	{}	419	\N	vm59	active	\N	\N	\N		7	3	\N	\N	7	\N	vm00000059	\N	\N		4	\N
2021-04-04 20:00:00-04	2021-04-05 17:15:56.316-04	{}	366	\N	vm6	active	\N	\N	\N		9	3	\N	\N	7	\N	vm00000006	\N	\N		4	\N
2021-04-04 20:00:00-04	2021-04-05 17:15:56.399-04	{}	420	\N	vm60	active	\N	\N	\N		7	3	\N	\N	7	\N	vm00000060	\N	\N		4	\N
2021-04-04 20:00:00-04	2021-04-05 17:15:56.4-04	{}	421	\N	vm61	active	\N	\N	\N		6	3	\N	\N	7	\N	vm00000061	\N	\N		4	\N
2021-04-04 20:00:00-04	2021-04-05 17:15:56.402-04	{}	422	\N	vm62	active	\N	\N	\N		6	3	\N	\N	7	\N	vm00000062	\N	\N		4	\N
2021-04-04 20:00:00-04	2021-04-05 17:15:56.404-04	{}	423	\N	vm63	active	\N	\N	\N		6	3	\N	\N	7	\N	vm00000063	\N	\N		4	\N
2021-04-04 20:00:00-04	2021-04-05 17:15:56.406-04	{}	424	\N	vm64	active	\N	\N	\N		6	3	\N	\N	7	\N	vm00000064	\N	\N		4	\N
2021-04-04 20:00:00-04	2021-04-05 17:15:56.407-04	{}	425	\N	vm65	active	\N	\N	\N		6	3	\N	\N	7	\N	vm00000065	\N	\N		4	\N
2021-04-04 20:00:00-04	2021-04-05 17:15:56.409-04	{}	426	\N	vm66	active	\N	\N	\N		6	3	\N	\N	7	\N	vm00000066	\N	\N		4	\N
2021-04-04 20:00:00-04	2021-04-05 17:15:56.411-04	{}	427	\N	vm67	active	\N	\N	\N		6	3	\N	\N	7	\N	vm00000067	\N	\N		4	\N
2021-04-04 20:00:00-04	2021-04-05 17:15:56.412-04	{}	428	\N	vm68	active	\N	\N	\N		6	3	\N	\N	7	\N	vm00000068	\N	\N		4	\N
2021-04-04 20:00:00-04	2021-04-05 17:15:56.414-04	{}	429	\N	vm69	active	\N	\N	\N		6	3	\N	\N	7	\N	vm00000069	\N	\N		4	\N
2021-04-04 20:00:00-04	2021-04-05 17:15:56.317-04	{}	367	\N	vm7	active	\N	\N	\N		9	3	\N	\N	7	\N	vm00000007	\N	\N		4	\N
2021-04-04 20:00:00-04	2021-04-05 17:15:56.416-04	{}	430	\N	vm70	active	\N	\N	\N		6	3	\N	\N	7	\N	vm00000070	\N	\N		4	\N
2021-04-04 20:00:00-04	2021-04-05 17:15:56.417-04	{}	431	\N	vm71	active	\N	\N	\N		6	3	\N	\N	7	\N	vm00000071	\N	\N		4	\N
2021-04-04 20:00:00-04	2021-04-05 17:15:56.419-04	{}	432	\N	vm72	active	\N	\N	\N		6	3	\N	\N	7	\N	vm00000072	\N	\N		4	\N
2021-04-04 20:00:00-04	2021-04-05 17:15:56.42-04	{}	433	\N	vm73	active	\N	\N	\N		6	3	\N	\N	7	\N	vm00000073	\N	\N		4	\N
2021-04-04 20:00:00-04	2021-04-05 17:15:56.422-04	{}	434	\N	vm74	active	\N	\N	\N		6	3	\N	\N	7	\N	vm00000074	\N	\N		4	\N
2021-04-04 20:00:00-04	2021-04-05 17:15:56.424-04	{}	435	\N	vm75	active	\N	\N	\N		6	3	\N	\N	7	\N	vm00000075	\N	\N		4	\N
2021-04-04 20:00:00-04	2021-04-05 17:15:56.425-04	{}	436	\N	vm76	active	\N	\N	\N		6	3	\N	\N	7	\N	vm00000076	\N	\N		4	\N
2021-04-04 20:00:00-04	2021-04-05 17:15:56.427-04	{}	437	\N	vm77	active	\N	\N	\N		6	3	\N	\N	7	\N	vm00000077	\N	\N		4	\N
2021-04-04 20:00:00-04	2021-04-05 17:15:56.428-04	{}	438	\N	vm78	active	\N	\N	\N		6	3	\N	\N	7	\N	vm00000078	\N	\N		4	\N
2021-04-04 20:00:00-04	2021-04-05 17:15:56.429-04	{}	439	\N	vm79	active	\N	\N	\N		6	3	\N	\N	7	\N	vm00000079	\N	\N		4	\N
2021-04-04 20:00:00-04	2021-04-05 17:15:56.319-04	{}	368	\N	vm8	active	\N	\N	\N		9	3	\N	\N	7	\N	vm00000008	\N	\N		4	\N
2021-04-04 20:00:00-04	2021-04-05 17:15:56.431-04	{}	440	\N	vm80	active	\N	\N	\N		6	3	\N	\N	7	\N	vm00000080	\N	\N		4	\N
2021-04-04 20:00:00-04	2021-04-05 17:15:56.433-04	{}	441	\N	vm81	active	\N	\N	\N		1	3	\N	\N	7	\N	vm00000081	\N	\N		4	\N
2021-04-04 20:00:00-04	2021-04-05 17:15:56.434-04	{}	442	\N	vm82	active	\N	\N	\N		1	3	\N	\N	7	\N	vm00000082	\N	\N		4	\N
2021-04-04 20:00:00-04	2021-04-05 17:15:56.436-04	{}	443	\N	vm83	active	\N	\N	\N		1	3	\N	\N	7	\N	vm00000083	\N	\N		4	\N
2021-04-04 20:00:00-04	2021-04-05 17:15:56.437-04	{}	444	\N	vm84	active	\N	\N	\N		1	3	\N	\N	7	\N	vm00000084	\N	\N		4	\N
2021-04-04 20:00:00-04	2021-04-05 17:15:56.439-04	{}	445	\N	vm85	active	\N	\N	\N		1	3	\N	\N	7	\N	vm00000085	\N	\N		4	\N
2021-04-04 20:00:00-04	2021-04-05 17:15:56.441-04	{}	446	\N	vm86	active	\N	\N	\N		1	3	\N	\N	7	\N	vm00000086	\N	\N		4	\N
2021-04-04 20:00:00-04	2021-04-05 17:15:56.442-04	{}	447	\N	vm87	active	\N	\N	\N		1	3	\N	\N	7	\N	vm00000087	\N	\N		4	\N
2021-04-04 20:00:00-04	2021-04-05 17:15:56.444-04	{}	448	\N	vm88	active	\N	\N	\N		1	3	\N	\N	7	\N	vm00000088	\N	\N		4	\N
2021-04-04 20:00:00-04	2021-04-05 17:15:56.445-04	{}	449	\N	vm89	active	\N	\N	\N		1	3	\N	\N	7	\N	vm00000089	\N	\N		4	\N
2021-04-04 20:00:00-04	2021-04-05 17:15:56.321-04	{}	369	\N	vm9	active	\N	\N	\N		9	3	\N	\N	7	\N	vm00000009	\N	\N		4	\N
2021-04-04 20:00:00-04	2021-04-05 17:15:56.447-04	{}	450	\N	vm90	active	\N	\N	\N		1	3	\N	\N	7	\N	vm00000090	\N	\N		4	\N
2021-04-04 20:00:00-04	2021-04-05 17:15:56.448-04	{}	451	\N	vm91	active	\N	\N	\N		1	3	\N	\N	7	\N	vm00000091	\N	\N		4	\N
2021-04-04 20:00:00-04	2021-04-05 17:15:56.449-04	{}	452	\N	vm92	active	\N	\N	\N		1	3	\N	\N	7	\N	vm00000092	\N	\N		4	\N
2021-04-04 20:00:00-04	2021-04-05 17:15:56.451-04	{}	453	\N	vm93	active	\N	\N	\N		1	3	\N	\N	7	\N	vm00000093	\N	\N		4	\N
2021-04-04 20:00:00-04	2021-04-05 17:15:56.453-04	{}	454	\N	vm94	active	\N	\N	\N		1	3	\N	\N	7	\N	vm00000094	\N	\N		4	\N
2021-04-04 20:00:00-04	2021-04-05 17:15:56.455-04	{}	455	\N	vm95	active	\N	\N	\N		1	3	\N	\N	7	\N	vm00000095	\N	\N		4	\N
2021-04-04 20:00:00-04	2021-04-05 17:15:56.456-04	{}	456	\N	vm96	active	\N	\N	\N		1	3	\N	\N	7	\N	vm00000096	\N	\N		4	\N
2021-04-04 20:00:00-04	2021-04-05 17:15:56.458-04	{}	457	\N	vm97	active	\N	\N	\N		1	3	\N	\N	7	\N	vm00000097	\N	\N		4	\N
2021-04-04 20:00:00-04	2021-04-05 17:15:56.459-04	{}	458	\N	vm98	active	\N	\N	\N		1	3	\N	\N	7	\N	vm00000098	\N	\N		4	\N
2021-04-04 20:00:00-04	2021-04-05 17:15:56.461-04	{}	459	\N	vm99	active	\N	\N	\N		1	3	\N	\N	7	\N	vm00000099	\N	\N		4	\N
\.


--
-- Data for Name: django_content_type; Type: TABLE DATA; Schema: public; Owner: netbox
--

COPY public.django_content_type (id, app_label, model) FROM stdin;
14	core	datasource
15	core	datafile
16	core	autosyncrecord
17	core	managedfile
18	core	job
19	account	usertoken
25	circuits	provideraccount
85	ipam	asnrange
103	extras	configtemplate
104	extras	dashboard
105	extras	reportmodule
106	extras	scriptmodule
107	extras	bookmark
108	extras	customfieldchoiceset
118	users	netboxgroup
119	users	netboxuser
1	admin	logentry
2	auth	permission
3	auth	group
4	auth	user
5	contenttypes	contenttype
6	sessions	session
7	social_django	association
8	social_django	code
9	social_django	nonce
10	social_django	usersocialauth
11	social_django	partial
12	taggit	tag
13	taggit	taggeditem
20	circuits	circuit
21	circuits	circuittermination
22	circuits	circuittype
23	circuits	provider
24	circuits	providernetwork
26	dcim	cable
27	dcim	cablepath
28	dcim	consoleport
29	dcim	consoleporttemplate
30	dcim	consoleserverport
32	dcim	device
31	dcim	consoleserverporttemplate
33	dcim	devicebay
34	dcim	devicebaytemplate
35	dcim	devicerole
36	dcim	devicetype
37	dcim	frontport
38	dcim	frontporttemplate
39	dcim	interface
40	dcim	interfacetemplate
41	dcim	inventoryitem
42	dcim	location
43	dcim	manufacturer
44	dcim	platform
45	dcim	powerfeed
46	dcim	poweroutlet
47	dcim	poweroutlettemplate
48	dcim	powerpanel
49	dcim	powerport
50	dcim	powerporttemplate
51	dcim	rack
52	dcim	rackreservation
53	dcim	rackrole
54	dcim	rearport
55	dcim	rearporttemplate
56	dcim	region
57	dcim	site
58	dcim	sitegroup
59	dcim	virtualchassis
60	dcim	moduletype
61	dcim	modulebay
62	dcim	module
63	dcim	modulebaytemplate
64	dcim	inventoryitemrole
65	dcim	inventoryitemtemplate
66	dcim	cabletermination
67	dcim	virtualdevicecontext
68	ipam	aggregate
69	ipam	ipaddress
70	ipam	prefix
71	ipam	rir
72	ipam	role
73	ipam	routetarget
74	ipam	vrf
75	ipam	vlangroup
76	ipam	vlan
77	ipam	service
78	ipam	iprange
79	ipam	fhrpgroup
80	ipam	fhrpgroupassignment
81	ipam	asn
82	ipam	servicetemplate
83	ipam	l2vpn
84	ipam	l2vpntermination
86	extras	report
87	extras	script
88	extras	configcontext
89	extras	tag
90	extras	webhook
91	extras	taggeditem
92	extras	objectchange
93	extras	journalentry
129	extras	jobresult
94	extras	imageattachment
95	extras	exporttemplate
96	extras	customlink
97	extras	customfield
98	extras	configrevision
99	extras	savedfilter
100	extras	cachedvalue
101	extras	branch
102	extras	stagedchange
109	tenancy	tenantgroup
110	tenancy	tenant
111	tenancy	contactrole
112	tenancy	contactgroup
113	tenancy	contact
114	tenancy	contactassignment
130	users	admingroup
131	users	adminuser
115	users	userconfig
116	users	token
117	users	objectpermission
120	virtualization	cluster
121	virtualization	clustergroup
122	virtualization	clustertype
123	virtualization	virtualmachine
124	virtualization	vminterface
125	wireless	wirelesslangroup
126	wireless	wirelesslan
127	wireless	wirelesslink
128	django_rq	queue
132	secrets	secret
133	secrets	secretrole
134	secrets	userkey
135	secrets	sessionkey
\.


--
-- PostgreSQL database dump complete
--
